"""Few labels: consistency of two views."""
