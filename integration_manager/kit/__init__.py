"""The kit: pure Python that a connector is written with. It imports no Django and no app."""
