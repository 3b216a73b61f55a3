export { ImageStore, type ImageStorePorts, type StoredImage, usualImageLimits } from './imageStore.ts';
export { machineSecrets } from './machineSecrets.ts';
export type { ImageRecipe } from './recipe.ts';
export { recipeOf, type RecipeOptions } from './recipeOf.ts';
