"""Work that runs in processes of its own: JSON in, JSON out."""
