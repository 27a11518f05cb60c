"""Many runs at once: grouped by shape, trained as stacks, wherever there are workers."""
