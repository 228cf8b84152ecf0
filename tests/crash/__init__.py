"""The crash test's processes: app, simulator, setup, and the house that starts and kills them."""
