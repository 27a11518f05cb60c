"""All exercises, by number."""

from ninja.exercises import batchnorm, challenges, cross_entropy, every_tensor, training
from ninja.exercises.exercise import Exercise

EXERCISES: dict[int, Exercise] = {
    exercise.number: exercise
    for exercise in (
        every_tensor.EXERCISE,
        cross_entropy.EXERCISE,
        batchnorm.EXERCISE,
        training.EXERCISE,
        challenges.EXERCISE,
    )
}
