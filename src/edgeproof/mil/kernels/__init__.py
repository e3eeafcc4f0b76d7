"""What several families compute alike: windows, sums in half precision, the way between numpy and torch."""
