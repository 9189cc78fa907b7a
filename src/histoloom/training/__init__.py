"""Training: the loop, what it is fed, and the systems that it trains."""
