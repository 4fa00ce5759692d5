"""Self-supervised training on real images: does what the dynamics say hold there?"""

from bifur.training.images.augment import Augmentation, augmentation_for, make_views
from bifur.training.images.data import Images, load_cifar10, load_digits, load_images
from bifur.training.images.methods import METHODS, Method
from bifur.training.images.result import ImageRun, load_run
from bifur.training.images.train import Training, train_images

__all__ = [
    "METHODS",
    "Augmentation",
    "ImageRun",
    "Images",
    "Method",
    "Training",
    "augmentation_for",
    "load_cifar10",
    "load_digits",
    "load_images",
    "load_run",
    "make_views",
    "train_images",
]
