"""What templates of carts need."""
