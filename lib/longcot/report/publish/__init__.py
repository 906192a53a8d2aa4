"""An adapter and its training set as folders that are ready for the Hub."""
