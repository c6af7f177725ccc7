"""Looking at data sets: what they hold, what two sides differ in, and what that means for training."""
