"""What only Windows has, through ctypes; imported nowhere else."""
