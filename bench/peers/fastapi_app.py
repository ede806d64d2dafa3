"""FastAPI as most people write it: `uvicorn fastapi_app:app --workers 2`."""

import os

import joblib
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

model = joblib.load(os.environ["MODEL"])
app = FastAPI()


class Rows(BaseModel):
    rows: list[list[float]]


@app.post("/predict")
def predict(body: Rows) -> dict[str, list[list[float]]]:
    return {"probabilities": model.predict_proba(np.asarray(body.rows)).tolist()}
