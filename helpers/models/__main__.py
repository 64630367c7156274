"""`python -m helpers.models` converts the weights of lesson 7, where they are installed."""

from helpers.basics.errors import CourseError
from helpers.models.efficientnet import convert_weights

if __name__ == "__main__":
    try:
        print(convert_weights())
    except CourseError as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from None
