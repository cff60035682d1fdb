"""What the classifier asks of its parameters, rows and columns before it trains."""
