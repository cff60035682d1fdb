"""A disk that fails at its n-th operation."""

import io
import os


class FailingDisk:
    """Counts operations on files and lets the n-th one fail."""

    def __init__(self, n, number, operations=("open", "fsync", "replace", "chmod")):
        self.n = n
        self.number = number
        self.operations = operations
        self.done = []

    def operation(self, name, function):
        """Return a function that counts its calls."""

        def counted(*args, **kwargs):
            self.done.append(name)
            if len(self.done) == self.n:
                raise OSError(self.number, os.strerror(self.number))
            return function(*args, **kwargs)

        return counted

    def opened(self, file):
        """Return a file whose writing is counted."""
        # A buffered file's own methods cannot be replaced.
        disk = self

        class Counted(io.BufferedRandom):
            def write(self, data):
                return disk.operation("write", super().write)(data)

            def flush(self):
                if not self.closed:
                    disk.operation("flush", super().flush)()

        return Counted(file.detach())

    def install(self, patch):
        """Stand between the process and its disk."""
        for name in self.operations:
            patch.setattr(os, name, self.operation(name, getattr(os, name)))
        real = io.open

        def opening(path, mode="r", *args, **kwargs):
            file = real(path, mode, *args, **kwargs)
            return self.opened(file) if mode == "r+b" else file

        patch.setattr(io, "open", self.operation("open", opening))
