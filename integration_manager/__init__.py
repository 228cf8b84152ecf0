"""The project: settings, wiring and the kit. No models, no business rules."""
