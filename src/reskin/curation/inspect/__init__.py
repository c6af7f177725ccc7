"""Looking at datasets: what they hold, what two domains differ in, and what that means for training."""
