"""Whether gradients are masked: signs that an attack's failure says more of the attack than of the model.

- `diagnostics` measures gradients where attacks walk and end, `facts` says what counts, `significance` tests pairs;
  `signs` and `gradient_signs` give a verdict each, and `findings` names them all and says it in words.

To add a sign: a function in `signs` or `gradient_signs`, and a line in `findings`.
"""
