// cuDNN.
