"""The controller: does Q learn what is worth its place, alone and inside the model, where eight candidates come for one place?"""
