"""What is kept on disk, through the ``Files`` port, so that a crash at any operation can be tried."""
