"""What scripts and notebooks call on videos: frames of files and streams, persons and actions, labels over time."""
