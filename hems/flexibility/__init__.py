"""What the house can promise to others: pure functions of its state and outlook."""
