"""The pages of WMS Setup."""
