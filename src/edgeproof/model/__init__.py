"""The model under test: how it is referred to, called, and exported; and its samples. Modules here load on use."""
