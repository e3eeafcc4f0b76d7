"""An iPhone by an app of the run's own: an Xcode project with its artifacts, and what the app tells."""
