"""How the bundled model `mini` is made: render, train, export. Not part of the wheel."""
