"""The command `vane`: one file a command group."""


def main() -> None:
    """Run the command line (imported only now: importing the package costs nothing)."""
    from signals.cli.app import main as run

    run()


__all__ = ["main"]
