/**
 * A classifier over a table; the tab stops are what differs from one project to the next. A test checks it with the
 * command line, the engine's version included.
 */
export const FIRST_PIPELINE = `pipeline \${1:flowers}

environment here {
  engine   wasm "4.22.0"
  results  repeatable
}

data \${1:flowers} {
  from  "\${2:data/flowers.csv}"
  schema {
    \${3:petal}  float[\${4:4}]
    \${5:kind}   class(\${6:3})
  }
  split {
    train     80%
    test      20%
    stratify  \${5:kind}
    seed      7
  }
}

model small {
  input \${1:flowers}.\${3:petal}
  dense(units: 16, activation: relu)
  dense(units: \${6:3}, activation: softmax)
}

train recognise {
  model      small
  on         \${1:flowers}.train
  in         here
  loss       crossEntropy
  optimizer  adam
  epochs     20
  batch      32
  seed       7
}

evaluate recognise on \${1:flowers}.test {
  accuracy  >= \${7:90}%  within 2 pt
}
`;
