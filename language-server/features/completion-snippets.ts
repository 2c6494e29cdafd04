/** What a block usually needs, as a snippet of the client: by the grammar's rule and its first word. */

interface Snippet {
  detail: string;
  text: string;
}

export const snippets: Readonly<Record<string, Readonly<Record<string, Snippet>>>> = {
  Import: { import: { detail: 'blocks from another file', text: 'import ${2:name} from "./${1:shared}.mlpipe"$0' } },
  Environment: {
    environment: {
      detail: 'what trains or runs',
      text: 'environment ${1:cpu} {\n  engine   ${2|wasm,tensorflow,webgpu|} "${3}"\n  results  repeatable\n}$0',
    },
  },
  Data: {
    data: {
      detail: 'a data set with schema and split',
      text:
        'data ${1:name} {\n  from  "${2:data/file.csv}"\n  schema {\n    ${3:feature}  float\n    ${4:label}  class(${5:2})\n  }\n' +
        '  split {\n    train       80%\n    validation  10%\n    test        10%\n    stratify    ${4:label}\n    seed        ${6:1}\n  }\n}$0',
    },
  },
  Model: {
    model: {
      detail: 'layers',
      text: 'model ${1:name} {\n  input ${2:data.column}\n  dense(units: ${3:64}, activation: relu)\n  dense(units: ${4:2}, activation: softmax)\n}$0',
    },
  },
  Train: {
    train: {
      detail: 'a training',
      text:
        'train ${1:name} {\n  model      ${2:model}\n  on         ${3:data}.train\n  validate   ${3:data}.validation\n  in         ${4:cpu}\n' +
        '  loss       ${5:crossEntropy}\n  optimizer  ${6:adam}\n  epochs     ${7:10}\n  batch      ${8:32}\n  seed       ${9:1}\n}$0',
    },
  },
  Evaluate: {
    evaluate: {
      detail: 'gates that a model must pass',
      text: 'evaluate ${1:training} on ${2:data}.test {\n  ${3:accuracy}  >= ${4:90}%  within ${5:1} pt\n}$0',
    },
  },
  Step: {
    step: {
      detail: 'any program',
      text: 'step ${1:name} {\n  run     "${2:python script.py}"\n  reads   "${3:script.py}"\n  in      ${4:environment}\n  writes  ${5:output} "${6:output.csv}"\n}$0',
    },
  },
  Deploy: {
    deploy: {
      detail: 'how a model goes into production',
      text: 'deploy ${1:staging} of ${2:training} {\n  when      evaluated\n  canary    ${3:10}%\n  rollback  when unlike stable\n}$0',
    },
  },
  Monitor: {
    monitor: {
      detail: 'what is watched, and who is told',
      text: 'monitor ${1:deployment} {\n  expect    classes like ${2:data}.validation\n  tolerate  ${3:2} pt or ${4:50}% of share\n  budget    1 false page per 30 days\n}$0',
    },
  },
  SchemaFact: { schema: { detail: 'columns', text: 'schema {\n  ${1:column}  ${2:float}\n}$0' } },
  SplitFact: {
    split: {
      detail: 'parts',
      text: 'split {\n  train       80%\n  validation  10%\n  test        10%\n  seed        ${1:1}\n}$0',
    },
  },
};
