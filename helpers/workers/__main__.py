"""Launch workers on this machine without PyTorch: python -m helpers.workers 2 script.py ..."""

from helpers.workers.launcher import main

if __name__ == "__main__":
    main()
