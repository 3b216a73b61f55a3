import type { Diagnostic } from '../../../../agent/protocol/space.ts';
import { describe, expect, test } from 'vitest';
import {
  type FaultCode,
  annotationFaults,
  metricCandidates,
  parseHpoYml,
  parseScript,
} from '../../../../agent/core/annotations/index.ts';

/**
 * Each row: the code, the text with the blamed characters between « and », and the text after the fix (null: no fix).
 * The fixed text has to be clean.
 */
type Row = readonly [code: FaultCode, marked: string, fixed: string | null, file?: string];

const python: readonly Row[] = [
  // Unreadable notes
  ['HPO-1101', 'lr = 0.1  # @hpo float«(0, 1»', 'lr = 0.1  # @hpo float(0, 1)'],
  ['HPO-1101', 'lr = 0.1  # @hpo «(0, 1)»', null],
  [
    'HPO-1101',
    'a = True  # @hpo bool\nlr = 0.1  # @hpo float(0, 1) «wen a == True»',
    'a = True  # @hpo bool\nlr = 0.1  # @hpo float(0, 1) when a == True',
  ],
  ['HPO-1101', 'lr = 0.1  # @hpo float(0, 1) «and more»', 'lr = 0.1  # @hpo float(0, 1) '],
  ['HPO-1101', 'a = True  # @hpo bool\nn = 9  # @hpo fidelity(1, 9) when «a == True»', null],
  ['HPO-1101', 'm = f(a=1, b=2)  # @hpo a: int(1, 2) «,» b: int(1, 2)', 'm = f(a=1, b=2)  # @hpo a: int(1, 2) b: int(1, 2)'],
  ['HPO-1101', 'lr = 0.1  # @hpo lr: «= 3»', null],
  // Spaces
  ['HPO-1102', 'lr = 0.1  # @hpo «flaot»(0, 1)', 'lr = 0.1  # @hpo float(0, 1)'],
  ['HPO-1102', 'lr = 0.1  # @hpo «loguniform»(0.01, 1)', 'lr = 0.1  # @hpo float(0.01, 1, log)'],
  ['HPO-1102', 'lr = 0.1  # @hpo «uniform»(0, 1)', 'lr = 0.1  # @hpo float(0, 1)'],
  ['HPO-1102', 'o = "a"  # @hpo «categorical»("a", "b")', 'o = "a"  # @hpo choice("a", "b")'],
  ['HPO-1102', 'o = "a"  # @hpo «Choice»("a", "b")', 'o = "a"  # @hpo choice("a", "b")'],
  ['HPO-1102', 'o = True  # @hpo «boolean»', 'o = True  # @hpo bool'],
  ['HPO-1102', 'o = True  # @hpo «whatever»', null],
  ['HPO-1102', '# @hpo «objective» loss min', '# @hpo.objective loss min'],
  ['HPO-1103', '# @hpo.«objectiv» loss min', '# @hpo.objective loss min'],
  ['HPO-1103', '# @hpo.«resource» gpus=1', '# @hpo.resources gpus=1'],
  ['HPO-1103', '# @hpo.«zzzzzz» gpus=1', null],
  ['HPO-1103', '# @hpo«.»', null],
  // Keys and values of settings
  ['HPO-1104', '# @hpo.search «trails»=60', '# @hpo.search trials=60'],
  ['HPO-1104', '# @hpo.search «algoritm»=tpe', '# @hpo.search algorithm=tpe'],
  ['HPO-1104', '# @hpo.search «hours»=6', null],
  ['HPO-1104', '# @hpo.search «quickly»', null],
  ['HPO-1104', '# @hpo.budget «hour»=6', '# @hpo.budget hours=6'],
  ['HPO-1104', '# @hpo.budget «weeks»=6', null],
  ['HPO-1104', '# @hpo.resources «gpsu»=1', '# @hpo.resources gpus=1'],
  ['HPO-1104', '# @hpo.objective loss min «gaol=3»', '# @hpo.objective loss min goal=3'],
  ['HPO-1104', '# @hpo.objective loss min «please»', '# @hpo.objective loss min '],
  ['HPO-1105', '# @hpo.search trials=«many»', null],
  ['HPO-1105', '# @hpo.search trials=«0»', null],
  ['HPO-1105', '# @hpo.search trials=«2.5»', '# @hpo.search trials=3'],
  ['HPO-1105', '# @hpo.search seed=«-1»', null],
  ['HPO-1105', '# @hpo.search algorithm=«tpee»', '# @hpo.search algorithm=tpe'],
  ['HPO-1105', '# @hpo.search scheduler=«asha»', '# @hpo.search scheduler=asha-stop'],
  ['HPO-1105', '# @hpo.search timeout=«30min»', '# @hpo.search timeout=30m'],
  ['HPO-1105', '# @hpo.checkpoint dir=«../x»', null],
  ['HPO-1105', '# @hpo.checkpoint dir=«a/../../x»', null],
  ['HPO-1105', '# @hpo.checkpoint dir=«/tmp/x»', null],
  ['HPO-1105', '# @hpo.checkpoint dir=«C:\\x»', null],
  ['HPO-1105', '# @hpo.checkpoint dir=«a/..»', null],
  ['HPO-1105', '# @hpo.checkpoint «.»', null],
  ['HPO-1105', '# @hpo.budget hours=«6h»', '# @hpo.budget hours=6'],
  ['HPO-1105', '# @hpo.budget cost=«15»', '# @hpo.budget cost=15USD'],
  ['HPO-1105', '# @hpo.budget cost=«15usd»', '# @hpo.budget cost=15USD'],
  ['HPO-1105', '# @hpo.budget cost=«$15»', '# @hpo.budget cost=15USD'],
  ['HPO-1104', '# @hpo.retry «timeouts»=1', '# @hpo.retry timeout=1'],
  ['HPO-1105', '# @hpo.retry lost=«-1»', null],
  ['HPO-1105', '# @hpo.resources memory=«24»', '# @hpo.resources memory=24GB'],
  ['HPO-1105', '# @hpo.resources memory=«24XB»', null],
  ['HPO-1105', '# @hpo.resources spot=«on»', '# @hpo.resources spot=yes'],
  ['HPO-1105', '# @hpo.seeds values=«1,x»', null],
  ['HPO-1105', '# @hpo.objective loss min «goal=low»', null],
  ['HPO-1105', '# @hpo.secret «MY TOKEN»', null],
  // Arguments of spaces
  ['HPO-1106', 'lr = 0.1  # @hpo «float»', null],
  ['HPO-1106', 'lr = 0.1  # @hpo «float(0)»', null],
  ['HPO-1106', 'lr = 0.1  # @hpo float(«low», 1)', null],
  ['HPO-1106', 'lr = 0.1  # @hpo float(0, «"1"»)', null],
  ['HPO-1106', 'n = 2  # @hpo int(1, «8.5»)', 'n = 2  # @hpo int(1, 9)'],
  ['HPO-1106', 'n = 2  # @hpo int(1, «99999999999999999999»)', null],
  ['HPO-1106', 'a = True  # @hpo «bool(1, 2)»', 'a = True  # @hpo bool'],
  ['HPO-1106', 'n = 2  # @hpo fidelity(«0», 9)', 'n = 2  # @hpo fidelity(1, 9)'],
  ['HPO-1106', 'n = 2  # @hpo fidelity(1, 9, «eta=1»)', null],
  ['HPO-1107', 'lr = 0.1  # @hpo float(«1, 0»)', 'lr = 0.1  # @hpo float(0, 1)'],
  ['HPO-1107', 'n = 2  # @hpo int(«8, 1», log)', 'n = 2  # @hpo int(1, 8, log)'],
  ['HPO-1107', 'n = 2  # @hpo fidelity(«8, 1»)', 'n = 2  # @hpo fidelity(1, 8)'],
  ['HPO-1108', 'lr = 1  # @hpo float(«1, 1»)', null],
  ['HPO-1108', 'lr = 0.1  # @hpo float(0, 1, «step=2»)', null],
  ['HPO-1108', 'o = "a"  # @hpo «choice("a")»', null],
  ['HPO-1108', 'o = "a"  # @hpo «choice()»', null],
  ['HPO-1109', 'lr = 0.1  # @hpo float(«0», 1, log)', 'lr = 0.1  # @hpo float(0, 1)'],
  ['HPO-1109', 'n = 1  # @hpo int(«-3», 5, log)', 'n = 1  # @hpo int(-3, 5)'],
  ['HPO-1109', 'm = 0.9  # @hpo float(«0», 0.99, revlog)', 'm = 0.9  # @hpo float(0, 0.99)'],
  ['HPO-1110', 'lr = 0.1  # @hpo float(0.01, 1, «lgo»)', 'lr = 0.1  # @hpo float(0.01, 1, log)'],
  ['HPO-1110', 'lr = 0.1  # @hpo float(0, 1, «setp=0.1»)', 'lr = 0.1  # @hpo float(0, 1, step=0.1)'],
  ['HPO-1110', 'lr = 0.1  # @hpo float(0, 1, «slowly»)', null],
  ['HPO-1110', 'n = 3  # @hpo fidelity(1, 9, «rate=3»)', null],
  ['HPO-1111', 'lr = 0.1  # @hpo float(0.01, 1, «log, revlog»)', null],
  ['HPO-1111', 'lr = 0.1  # @hpo float(0.01, 1, log, «log»)', null],
  ['HPO-1111', 'n = 1  # @hpo int(1, 9, «step=0.5»)', null],
  ['HPO-1111', 'n = 1  # @hpo int(1, 9, «step=0»)', null],
  ['HPO-1112', 'o = "adam"  # @hpo choice(«adam», "sgd")', 'o = "adam"  # @hpo choice("adam", "sgd")'],
  ['HPO-1112', 'o = 1  # @hpo choice(1, «f(2)»)', null],
  ['HPO-1113', 'o = 1  # @hpo choice(1, 2, «1»)', 'o = 1  # @hpo choice(1, 2)'],
  // Defaults
  ['HPO-1114', 'lr = 3.0  # @hpo «float(0, 1)»', 'lr = 3.0  # @hpo float(0, 3.0)'],
  ['HPO-1114', 'lr = 1e-6  # @hpo «float(1e-5, 1e-1, log)»', 'lr = 1e-6  # @hpo float(1e-6, 1e-1, log)'],
  ['HPO-1114', 'n = -1  # @hpo «int(0, 8)»', 'n = -1  # @hpo int(-1, 8)'],
  ['HPO-1114', 'n = 4  # @hpo «int(1, 9, step=2)»', null],
  ['HPO-1114', 'o = "adam"  # @hpo «choice("sgd", "lion")»', 'o = "adam"  # @hpo choice("sgd", "lion", "adam")'],
  ['HPO-1114', 'b = 48  # @hpo «ordinal(32, 64)»', 'b = 48  # @hpo ordinal(32, 64, 48)'],
  ['HPO-1114', 'n = 100  # @hpo «fidelity(1, 81)»', 'n = 100  # @hpo fidelity(1, 100)'],
  ['HPO-1115', 'lr = "0.1"  # @hpo «float(0, 1)»', null],
  ['HPO-1115', 'lr = None  # @hpo «float(0, 1)»', null],
  ['HPO-1115', 'n = 2.5  # @hpo «int(1, 8)»', 'n = 2.5  # @hpo float(1, 8)'],
  ['HPO-1115', 'n = 1  # @hpo «bool»', 'n = 1  # @hpo choice(0, 1)'],
  ['HPO-1115', 'n = (1, 2)  # @hpo «int(1, 8)»', null],
  ['HPO-1115', 'n = True  # @hpo «int(0, 8)»', null],
  ['HPO-1115', 'n = 1.5  # @hpo «fidelity(1, 8)»', null],
  // Not a literal (rule 12)
  ['HPO-1116', 'lr = base * 2  # @hpo «float(0, 1)»', null],
  ['HPO-1116', 'lr = get()  # @hpo «float(0, 1)»', null],
  ['HPO-1116', 'lr = get(1)  # @hpo «int(0, 1)»', 'lr = get(1)  # @hpo lr: int(0, 1)'],
  ['HPO-1116', 'for e in range(1):  # @hpo «fidelity(1, 9)»\n    pass', 'for e in range(1):  # @hpo e: fidelity(1, 9)\n    pass'],
  ['HPO-1116', 'lr = get(x=1)  # @hpo «lr»: float(0, 1)', null],
  ['HPO-1116', 'lr = f"{a}"  # @hpo «choice("a", "b")»', null],
  ['HPO-1116', 'lr = other  # @hpo «float(0, 1)»', null],
  ['HPO-1116', 'lr = 0.1 if a else 0.2  # @hpo «float(0, 1)»', null],
  ['HPO-1116', 'lr = "a" "b"  # @hpo «choice("ab", "b")»', null],
  ['HPO-1116', 'lr = b"a"  # @hpo «choice("a", "b")»', null],
  ['HPO-1116', 'lr = 1j  # @hpo «float(0, 1)»', null],
  ['HPO-1116', 'lr = 123456789012345678901  # @hpo «int(0, 1)»', null],
  ['HPO-1116', 'lr: float  # @hpo «float(0, 1)»', null],
  ['HPO-1116', 'p.add_argument("--amp", action="store_true")  # @hpo «bool»', null],
  ['HPO-1116', 'import os  # @hpo «float(0, 1)»', null],
  // Names
  ['HPO-1117', 'm = fit(a=1, b=0.5)  # @hpo «int(1, 3)»', 'm = fit(a=1, b=0.5)  # @hpo a: int(1, 3)'],
  ['HPO-1117', 'm = fit(a=1, b=2)  # @hpo «int(1, 3)»', null],
  ['HPO-1117', 'fit(3)  # @hpo «int(1, 3)»', null],
  ['HPO-1117', 'x = 1; y = "a"  # @hpo «choice("a", "b")»', 'x = 1; y = "a"  # @hpo y: choice("a", "b")'],
  ['HPO-1118', 'm = fit(depth=1, b=2)  # @hpo «dept»: int(1, 3)', 'm = fit(depth=1, b=2)  # @hpo depth: int(1, 3)'],
  ['HPO-1118', 'm = fit(a=1, b=2)  # @hpo «zzzz»: int(1, 3)', null],
  ['HPO-1118', 'a = 1  # @hpo a: int(1, 3) «zzzz»: int(1, 3)', null],
  [
    'HPO-1119',
    'lr = 1  # @hpo int(1, 3)\ndef fit():\n    lr = 2  # @hpo «int(1, 3)»',
    'lr = 1  # @hpo int(1, 3)\ndef fit():\n    lr = 2  # @hpo fit_lr: int(1, 3)',
  ],
  [
    'HPO-1119',
    'lr = 1  # @hpo int(1, 3)\nx = 2  # @hpo «lr»: int(1, 3)',
    'lr = 1  # @hpo int(1, 3)\nx = 2  # @hpo lr_2: int(1, 3)',
  ],
  [
    'HPO-1119',
    'n = 1  # @hpo fidelity(1, 3)\nx = 2  # @hpo «n»: int(1, 3)',
    'n = 1  # @hpo fidelity(1, 3)\nx = 2  # @hpo n_2: int(1, 3)',
  ],
  ['HPO-1120', 'größe = 1  # @hpo «int(1, 3)»', 'größe = 1  # @hpo gro_e: int(1, 3)'],
  ['HPO-1120', 'd = {"a b": 1}  # @hpo «int(1, 3)»', 'd = {"a b": 1}  # @hpo a_b: int(1, 3)'],
  ['HPO-1120', `x = 1  # @hpo «${'n'.repeat(129)}»: int(1, 3)`, null],
  // Conditions
  [
    'HPO-1121',
    'a = True  # @hpo bool\nlr = 1  # @hpo int(1, 3) when a «= True»',
    'a = True  # @hpo bool\nlr = 1  # @hpo int(1, 3) when a == True',
  ],
  ['HPO-1121', 'a = True  # @hpo bool\nlr = 1  # @hpo int(1, 3) when a «@»', null],
  ['HPO-1121', 'lr = 1  # @hpo int(1, 3) when «1 < 2»', null],
  ['HPO-1121', 'lr = 1  # @hpo int(1, 3)\n# @hpo.where lr <«< 2»', null],
  ['HPO-1121', '# @hpo.constraint latency «= 2»', '# @hpo.constraint latency == 2'],
  [
    'HPO-1122',
    'opt = "a"  # @hpo choice("a", "b")\nlr = 1  # @hpo int(1, 3) when «otp» == "a"',
    'opt = "a"  # @hpo choice("a", "b")\nlr = 1  # @hpo int(1, 3) when opt == "a"',
  ],
  ['HPO-1122', 'lr = 1  # @hpo int(1, 3)\n# @hpo.where lr < «maximum»', null],
  ['HPO-1122', 'n = 1  # @hpo fidelity(1, 3)\nlr = 1  # @hpo int(1, 3) when «n» > 2', null],
  ['HPO-1123', 'a = 1  # @hpo int(1, 3) when b > 1\nb = 1  # @hpo int(1, 3) when «a > 1»', null],
  ['HPO-1123', 'a = 1  # @hpo int(1, 3) when «a > 1»', null],
  // Objectives and metrics
  ['HPO-1124', '# @hpo.objective «val_loss»', '# @hpo.objective val_loss min'],
  ['HPO-1124', '# @hpo.objective «val_acc»', '# @hpo.objective val_acc max'],
  ['HPO-1124', '# @hpo.objective «thing»', null],
  ['HPO-1124', '# @hpo«.objective»', null],
  ['HPO-1124', '# @hpo.objective loss «minimize»', '# @hpo.objective loss min'],
  ['HPO-1124', '# @hpo.objective loss «sideways»', null],
  ['HPO-1125', '# @hpo.objective loss min\n# @hpo«.objective loss max»', null],
  ['HPO-1125', '# @hpo.search trials=3 «trials=4»', null],
  ['HPO-1125', '# @hpo.search trials=3\n# @hpo.search trials=«4»', null],
  ['HPO-1125', '# @hpo.metric a from json x\n# @hpo«.metric a from json y»', null],
  ['HPO-1125', 'lr = 1  # @hpo int(1, 3) via arg(--lr) «via env(LR)»', null],
  ['HPO-1126', '# @hpo«.metric»', null],
  ['HPO-1126', '# @hpo.metric «loss»', null],
  ['HPO-1126', '# @hpo.metric loss «in» stdout "x"', null],
  ['HPO-1126', '# @hpo.metric loss from «stdot» "loss=(.*)"', '# @hpo.metric loss from stdout "loss=(.*)"'],
  ['HPO-1126', '# @hpo.metric loss from «json»', null],
  ['HPO-1126', '# @hpo.metric loss from json a «b»', null],
  ['HPO-1127', '# @hpo.metric loss from stdout «"loss=(\\S+"»', null],
  ['HPO-1127', '# @hpo.metric loss from stdout «"loss=\\S+"»', '# @hpo.metric loss from stdout "loss=(\\S+)"'],
  ['HPO-1127', '# @hpo.metric loss from stdout «loss=(.*)»', '# @hpo.metric loss from stdout "loss=(.*)"'],
  ['HPO-1128', '# @hpo«.data ./data /data»', null],
  ['HPO-1128', '# @hpo«.data ./data -> /data rw»', null],
  ['HPO-1129', 'lr = 1  # @hpo int(1, 3) via «--lr»', null],
  ['HPO-1129', 'lr = 1  # @hpo int(1, 3) via «arg()»', null],
  ['HPO-1129', 'lr = 1  # @hpo int(1, 3) via «env(1LR)»', null],
  ['HPO-1129', 'lr = 1  # @hpo int(1, 3) via «key(model.yaml)»', null],
  ['HPO-1129', 'lr = 1  # @hpo int(1, 3) via «evn»(LR)', 'lr = 1  # @hpo int(1, 3) via env(LR)'],
  ['HPO-1130', 'a = 1  # @hpo fidelity(1, 3)\nb = 1  # @hpo «fidelity(1, 3)»', null],
  ['HPO-1131', '# @hpo int(1, 3)\nlr = 1  # @hpo «rate»: int(1, 3)', null],
  ['HPO-1131', 'x = [\n    1,  # @hpo first: int(1, 3)\n    2,\n]  # @hpo «choice([1, 2], [3, 4])»', null],
  ['HPO-1132', '# @hpo «float(0, 1)»', null],
  ['HPO-1132', 'f(\n    a=1,\n    # @hpo «float(0, 1)»\n)', null],
  ['HPO-1133', 'lr = 1  # @hpo', null],
  ['HPO-1133', 'lr = 1  # @hpo «lr:»', null],
  ['HPO-1133', '# @hpo«.search»', null],
  ['HPO-1133', '# @hpo«.where»', null],
  ['HPO-1133', '# @hpo«.include»', null],
  ['HPO-1133', '# @hpo«.secret»', null],
  ['HPO-1133', 'lr = 1  # @hpo int(1, 3) «when»', null],
  ['HPO-1141', '# @hpo«.seeds 3»', null],
  ['HPO-1141', '# @hpo«.folds 5»', null],
  ['HPO-1142', '# @hpo.resources cpus=2 memory=«24GB»', null],
  ['HPO-1143', '# @hpo.resources cpus=2 queue=«research»', null],
  ['HPO-1143', '# @hpo.checkpoint dir=ckpt/ store=«pvc://checkpoints/mine»', null],
  ['HPO-1143', '# @hpo«.data pvc://images/v2 -> /data ro»', null],
  ['HPO-1128', '# @hpo«.data pvc:images -> /data»', null],
  ['HPO-1128', '# @hpo«.data pvc://images/../other -> /data»', null],
  ['HPO-1105', '# @hpo.resources gpu=«1»', null],
  ['HPO-1105', '# @hpo.resources gpu=«NVIDIA»', '# @hpo.resources gpu=nvidia'],
  ['HPO-1105', '# @hpo.resources queue=«Research»', '# @hpo.resources queue=research'],
  ['HPO-1105', '# @hpo.search parallel=«automatic»', null],
  ['HPO-1105', '# @hpo.checkpoint store=«s3://bucket/x»', null],
  ['HPO-1105', '# @hpo.checkpoint store=«s3://bucket/x?secret=keys&key=1»', null],
  ['HPO-1105', '# @hpo.resources network=«on»', '# @hpo.resources network=yes'],
  ['HPO-1105', '# @hpo.resources shm=«2»', '# @hpo.resources shm=2GB'],
  ['HPO-1105', '# @hpo.resources pids=«0»', null],
  ['HPO-1139', 'a = 3  # @hpo int(1, 4)\n# @hpo.where «a < 3»', null],
  ['HPO-1116', 'double lr = 2 * 0.1; // @hpo «float(0, 1)»', null, 'train.cpp'],
  ['HPO-1116', 'int n = x ? 1 : 2; // @hpo «int(1, 8)»', null, 'train.cpp'],
  ['HPO-1117', 'int n = 1, m = 2; // @hpo «int(1, 8)»', null, 'train.cpp'],
  ['HPO-1114', 'let n = 12; // @hpo «int(1, 8)»', 'let n = 12; // @hpo int(1, 12)', 'train.rs'],
  ['HPO-1138', '$lr = 0.1; # «@hpo» float(0, 1)', null, 'train.pl'],
];

const config: readonly Row[] = [
  ['HPO-1114', 'lr: 3  # @hpo «float(0, 1)»', 'lr: 3  # @hpo float(0, 3)', 'a.yaml'],
  ['HPO-1114', 'o: adam  # @hpo «choice("sgd", "lion")»', 'o: adam  # @hpo choice("sgd", "lion", "adam")', 'a.yaml'],
  ['HPO-1116', 'o:  # @hpo «choice("sgd", "lion")»', null, 'a.yaml'],
  ['HPO-1116', 'o: !!str 3  # @hpo «choice("3", "lion")»', null, 'a.yaml'],
  ['HPO-1116', 'o: &a x  # @hpo «choice("x", "lion")»', null, 'a.yaml'],
  ['HPO-1117', 'o: {a: 1, b: 2.5}  # @hpo «int(1, 3)»', 'o: {a: 1, b: 2.5}  # @hpo a: int(1, 3)', 'a.yaml'],
  [
    'HPO-1119',
    'a:\n  lr: 1  # @hpo int(1, 3)\nb:\n  lr: 1  # @hpo «int(1, 3)»',
    'a:\n  lr: 1  # @hpo int(1, 3)\nb:\n  lr: 1  # @hpo b_lr: int(1, 3)',
    'a.yml',
  ],
  ['HPO-1116', 'o = 1979-05-27 # @hpo «int(1, 3)»', null, 'a.toml'],
  ['HPO-1136', 'o = "a" # @hpo «choice("a", None)»', null, 'a.toml'],
  ['HPO-1107', '{"lr": 1 // @hpo int(«3, 1»)\n}', '{"lr": 1 // @hpo int(1, 3)\n}', 'a.jsonc'],
];

const settings: readonly Row[] = [
  ['HPO-1134', 'objective: loss min\nsearch: {trials: 3«»', null],
  ['HPO-1135', 'parameters: «3»', null],
  ['HPO-1135', 'script: «[a, b]»', null],
  ['HPO-1104', '«serch»: {trials: 3}', 'search: {trials: 3}'],
  ['HPO-1104', 'search: {«trails»: 3}', 'search: {trials: 3}'],
  ['HPO-1105', 'search: {sampler: "«tpee»"}', 'search: {sampler: "tpe"}'],
  ['HPO-1124', 'objective: «val_loss»', 'objective: val_loss min'],
  ['HPO-1102', "parameters:\n  lr: '«flaot»(0, 1)'", "parameters:\n  lr: 'float(0, 1)'"],
  ['HPO-1104', 'parameters:\n  lr: {type: int, «zzzz»: 1, high: 3, low: 1}', null],
  ['HPO-1106', 'parameters:\n  lr: «{type: int, low: 1}»', null],
  ['HPO-1107', 'parameters:\n  lr: «{type: int, low: 3, high: 1}»', null],
  ['HPO-1114', 'parameters:\n  lr: {space: "int(1, 3)", default: «4»}', null],
  ['HPO-1120', 'parameters:\n  «my rate»: int(1, 3)', null],
  ['HPO-1121', 'constraints: ["latency «= 3»"]', 'constraints: ["latency == 3"]'],
  [
    'HPO-1122',
    'parameters:\n  a: int(1, 3)\n  b: {space: "int(1, 3)", when: «aa» > 2}',
    'parameters:\n  a: int(1, 3)\n  b: {space: "int(1, 3)", when: a > 2}',
  ],
  ['HPO-1123', 'parameters:\n  a: int(1, 3) when «a > 1»', null],
  ['HPO-1127', 'metrics:\n  loss: «{pattern: "loss=x"}»', null],
  ['HPO-1129', 'parameters:\n  a: int(1, 3) via «nothing»', null],
  ['HPO-1104', 'retry: {«losts»: 3}', 'retry: {lost: 3}'],
  ['HPO-1105', 'retry: {timeout: «-1»}', null],
  ['HPO-1143', 'resources: {spot: «yes»}', null],
  ['HPO-1142', 'secrets: [«TOKEN»]', null],
  ['HPO-1143', 'kubernetes: «{queue: research}»', null],
  ['HPO-1135', 'kubernetes: «5»', null],
  ['HPO-1104', 'kubernetes: {«quee»: research}', 'kubernetes: {queue: research}'],
  // Which cluster it is, a project never says.
  ['HPO-1104', 'kubernetes: {«context»: prod}', null],
  ['HPO-1104', 'kubernetes: {«namespace»: prod}', null],
  ['HPO-1105', 'kubernetes: {queue: «A b»}', null],
  ['HPO-1105', 'kubernetes: {spot: «perhaps»}', null],
  ['HPO-1135', 'kubernetes: {pools: «a100»}', null],
  ['HPO-1133', 'kubernetes: {pools: [«{gpus: 1}»]}', null],
  ['HPO-1125', 'kubernetes: {pools: [{name: a}, «{name: a}»]}', null],
  ['HPO-1105', 'kubernetes: {pools: [{name: a, slots: «0»}]}', null],
  ['HPO-1105', 'kubernetes: {pools: [{name: a, gpu: «tesla»}]}', null],
  ['HPO-1122', 'kubernetes: {pools: [{name: a, when: «depth» > 4}]}', null],
  ['HPO-1105', 'kubernetes: {pools: [{name: a, tolerations: [{key: k, effect: «Never»}]}]}', null],
  ['HPO-1128', 'kubernetes: {volumes: [«./data -> /data»]}', null],
  ['HPO-1142', 'image: «auto»', null],
  ['HPO-1142', 'resources: {network: «yes», cpus: 2}', null],
];

describe('each fault has its code, its place and its fix', () => {
  const named = (rows: readonly Row[]) => rows.map(([code, marked, fixed, file = 'train.py']) => ({ code, marked, fixed, file }));
  test.each(named([...python, ...config]))('$code $marked', ({ code, marked, fixed, file }) => {
    check(code, marked, fixed, (text) => parseScript(text, file).diagnostics);
  });
  test.each(named(settings))('hpo.yml: $code $marked', ({ code, marked, fixed }) => {
    check(code, marked, fixed, (text) => parseHpoYml(text, 'hpo.yml').diagnostics);
  });
});

/** Of what is no error. */
const severities: Readonly<Record<string, string>> = {
  'HPO-1139': 'warning',
  'HPO-1141': 'warning',
  'HPO-1142': 'info',
  'HPO-1143': 'info',
};

function check(code: FaultCode, marked: string, fixed: string | null, diagnose: (text: string) => readonly Diagnostic[]): void {
  const text = marked.replace(/[«»]/g, '');
  // What does nothing yet is said beside a fault of it, and after it is mended.
  const relevant = (source: string) =>
    diagnose(source).filter((found) => found.code === code || !['HPO-1141', 'HPO-1142', 'HPO-1143'].includes(found.code));
  const diagnostics = relevant(text);
  expect(diagnostics.map((diagnostic) => `${diagnostic.code} ${diagnostic.message}`)).toEqual([expect.stringContaining(code)]);
  const [diagnostic] = diagnostics;
  if (diagnostic === undefined) return;
  if (marked.includes('«')) {
    const place = (offset: number): string => {
      const before = text.slice(0, offset).split('\n');
      return `${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
    };
    const [start, end] = [marked.indexOf('«'), marked.indexOf('»') - 1];
    expect(`${diagnostic.line}:${diagnostic.column}-${diagnostic.endLine}:${diagnostic.endColumn}`).toBe(
      `${place(start)}-${place(end)}`,
    );
  }
  expect(diagnostic.severity).toBe(severities[code] ?? 'error');
  const { fix } = diagnostic;
  const mended = fix === null ? null : text.slice(0, fix.start) + fix.text + text.slice(fix.end);
  expect(mended).toBe(fixed);
  if (mended !== null) expect(relevant(mended)).toEqual([]);
}

test('every fault of the table has a row, or is about a settings file or an edit', () => {
  const seen = new Set([...python, ...config, ...settings].map(([code]) => code));
  const elsewhere = ['HPO-1137', 'HPO-1140'];
  expect(Object.keys(annotationFaults).filter((code) => !seen.has(code as FaultCode) && !elsewhere.includes(code))).toEqual([]);
});

test('one fault leaves everything else as it was', () => {
  const good = 'a = 1  # @hpo int(1, 3)\nb = 2  # @hpo int(1, 3)\n# @hpo.objective loss min\n# @hpo.search trials=3 seed=1';
  const bad = 'a = 1  # @hpo int(3, 1)\nb = 2  # @hpo int(1, 3)\n# @hpo.objective loss min\n# @hpo.search trials=3 sed=1';
  const { spec, diagnostics } = parseScript(bad, 'a.py');
  const whole = parseScript(good, 'a.py').spec;
  expect(diagnostics.map(({ code }) => code)).toEqual(['HPO-1107', 'HPO-1104']);
  expect(spec.space.parameters).toEqual(whole.space.parameters.slice(1));
  expect(spec.objectives).toEqual(whole.objectives);
  expect(spec.search).toEqual({ trials: '3' });
});

test.each(['a.py', 'a.yaml', 'a.toml', 'a.json', 'hpo.yml', 'pyproject.toml'])(
  '%s nested thousands deep is read or refused, never thrown at',
  (file) => {
    for (const [open, note] of [
      ['[', '# @hpo bool'],
      ['(', '// @hpo bool'],
      ['{"a":', '# @hpo bool'],
      ['1 + ', '# @hpo bool'],
    ] as const) {
      const text = `[tool.hpo]\nx = ${open.repeat(10_000)} ${note}\n# @hpo.where ${open.repeat(10_000)}\nprint(${open.repeat(10_000)}\n`;
      expect(() => [parseScript(text, file), parseHpoYml(text, file), metricCandidates(text, file)]).not.toThrow();
    }
  },
);
