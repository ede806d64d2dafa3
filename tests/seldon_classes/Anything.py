class Anything:
    def predict(self, *args, **kwargs):
        return [[len(args), len(kwargs)] for _ in args[0]]
