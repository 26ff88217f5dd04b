"""The competition: what groups hand in, how it is checked, ranked and shown."""
