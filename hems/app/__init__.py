"""Where the rooms meet: what no room may know of another is put together here."""
