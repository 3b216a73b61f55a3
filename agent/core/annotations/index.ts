export type { Include } from './assemble.ts';
export { isHpoYml, parseHpoYml, parseProject, parseScript } from './parse.ts';
export type { NoteRange } from './part.ts';
export { applyKey } from './applyKey.ts';
export { applyValues, bestEdits, renderValue, roundForSource } from './edits.ts';
export { includedFiles, localImports } from './imports.ts';
export { type MetricCandidate, metricCandidates } from './metricCandidates.ts';
export { type PathLiteral, pathLiterals } from './pathLiterals.ts';
export { metricDirection } from './metricName.ts';
export {
  type DirectiveKey,
  type DirectiveName,
  type SettingsName,
  type ValueKind,
  directiveDescriptions,
  directiveKeys,
} from './directiveKeys.ts';
export { type FaultCode, annotationFaults } from './faults.ts';
export type { LanguageId } from './languages/language.ts';
