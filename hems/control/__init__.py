"""The fast reflex: image in, guarded commands and their reasons out. Pure; nothing here knows a clock or a wire."""
