"""The bare Flask-RESTful app: `gunicorn --workers 2 bare_app:app`."""

import os

import joblib
import numpy as np
from flask import Flask, request
from flask_restful import Api, Resource

model = joblib.load(os.environ["MODEL"])
app = Flask("bare")


class Predict(Resource):
    def post(self):
        rows = np.asarray(request.get_json()["rows"])
        return {"probabilities": model.predict_proba(rows).tolist()}


Api(app).add_resource(Predict, "/predict")
