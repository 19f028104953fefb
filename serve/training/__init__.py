"""How the bundled model `mini` is made: render, train, export, score. Not part of the wheel."""
