"""`python -m helpers.datasets cifar10`: load a dataset, and so have it on the disk."""

import sys

from helpers.basics.errors import CourseError
from helpers.datasets.load import load_dataset

try:
    print(load_dataset(*sys.argv[1:2]))
except (CourseError, OSError) as error:
    sys.exit(str(error))
except KeyboardInterrupt:
    sys.exit("Stopped. What came is kept: the next try goes on from there.")
