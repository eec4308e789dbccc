"""The ranking engine: pure, integers only, imports nothing of ours."""
