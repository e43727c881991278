"""Reports and rankings, worked out from what the rules service tells of customers on the customers topic."""
