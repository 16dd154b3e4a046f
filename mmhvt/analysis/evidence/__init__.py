"""Small trainings that show, or fail to show, what the papers claim: `make evidence`."""
