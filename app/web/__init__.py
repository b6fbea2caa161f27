"""What stands between the network and the page: who is let in, which requests are answered, and at what cost."""
