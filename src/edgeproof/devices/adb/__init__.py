"""Android devices by the user's own ``adb`` client. ``device`` is the transport; the rest is what it stands on."""
