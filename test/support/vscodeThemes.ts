/** What an editor gives a webview's page of three themes: the class and kind of the body and the variables that the panel uses. */
export interface VsCodeTheme {
  readonly bodyClass: string;
  readonly kind: string;
  readonly variables: Readonly<Record<string, string>>;
}

const fonts = {
  'font-family': 'system-ui, "Ubuntu", "Droid Sans", sans-serif', 'font-size': '13px', 'font-weight': 'normal',
  'editor-font-family': '"Droid Sans Mono", monospace', 'editor-font-size': '14px',
};

/** Dark Modern, Light Modern and Dark High Contrast of VS Code 1.139. */
export const vscodeThemes = {
  dark: {
    bodyClass: 'vscode-dark', kind: 'vscode-dark',
    variables: {
      ...fonts, foreground: '#cccccc', 'editor-background': '#1f1f1f', 'editor-foreground': '#cccccc', descriptionForeground: '#9d9d9d', 'panel-border': '#2b2b2b', 'editorWidget-background': '#202020',
      focusBorder: '#0078d4', 'textLink-foreground': '#4daafc', errorForeground: '#f85149', 'charts-foreground': '#cccccc', 'charts-green': '#89d185', 'charts-blue': '#3794ff', 'charts-yellow': '#cca700',
      'charts-orange': '#d18616', 'charts-red': '#f14c4c', 'charts-purple': '#b180d7', 'progressBar-background': '#0078d4', 'list-hoverBackground': '#2a2d2e', 'list-activeSelectionBackground': '#04395e',
      'list-activeSelectionForeground': '#ffffff', 'textBlockQuote-background': '#2b2b2b', 'textCodeBlock-background': '#2b2b2b', 'editorHoverWidget-background': '#202020', 'editorHoverWidget-foreground': '#cccccc',
      'editorHoverWidget-border': '#454545', 'button-background': '#0078d4', 'button-foreground': '#ffffff', 'button-border': '#ffffff12', 'button-hoverBackground': '#026ec1', 'button-secondaryBackground': '#313131',
      'button-secondaryForeground': '#cccccc', 'button-secondaryHoverBackground': '#3c3c3c', 'checkbox-background': '#313131', 'checkbox-foreground': '#cccccc', 'checkbox-border': '#3c3c3c', 'dropdown-background': '#313131',
      'dropdown-foreground': '#cccccc', 'dropdown-border': '#3c3c3c', 'settings-dropdownListBorder': '#454545', 'scrollbarSlider-background': '#79797966',
    },
  },
  light: {
    bodyClass: 'vscode-light', kind: 'vscode-light',
    variables: {
      ...fonts, foreground: '#3b3b3b', 'editor-background': '#ffffff', 'editor-foreground': '#3b3b3b', descriptionForeground: '#3b3b3b', 'panel-border': '#e5e5e5', 'editorWidget-background': '#f8f8f8',
      focusBorder: '#005fb8', 'textLink-foreground': '#005fb8', errorForeground: '#f85149', 'charts-foreground': '#3b3b3b', 'charts-green': '#388a34', 'charts-blue': '#0063d3', 'charts-yellow': '#bf8803',
      'charts-orange': '#d18616', 'charts-red': '#e51400', 'charts-purple': '#652d90', 'progressBar-background': '#005fb8', 'list-hoverBackground': '#f2f2f2', 'list-activeSelectionBackground': '#e8e8e8',
      'list-activeSelectionForeground': '#000000', 'textBlockQuote-background': '#f8f8f8', 'textCodeBlock-background': '#f8f8f8', 'editorHoverWidget-background': '#f8f8f8', 'editorHoverWidget-foreground': '#3b3b3b',
      'editorHoverWidget-border': '#c8c8c8', 'button-background': '#005fb8', 'button-foreground': '#ffffff', 'button-border': '#0000001a', 'button-hoverBackground': '#0258a8', 'button-secondaryBackground': '#e5e5e5',
      'button-secondaryForeground': '#3b3b3b', 'button-secondaryHoverBackground': '#cccccc', 'checkbox-background': '#f8f8f8', 'checkbox-foreground': '#3b3b3b', 'checkbox-border': '#cecece', 'dropdown-background': '#ffffff',
      'dropdown-foreground': '#3b3b3b', 'dropdown-border': '#cecece', 'settings-dropdownListBorder': '#cecece', 'scrollbarSlider-background': '#64646466',
    },
  },
  highContrast: {
    bodyClass: 'vscode-high-contrast', kind: 'vscode-high-contrast',
    variables: {
      ...fonts, foreground: '#ffffff', 'editor-background': '#000000', 'editor-foreground': '#ffffff', descriptionForeground: '#ffffffb3', 'panel-border': '#6fc3df', 'editorWidget-background': '#0c141f',
      focusBorder: '#f38518', contrastBorder: '#6fc3df', contrastActiveBorder: '#f38518', 'textLink-foreground': '#21a6ff', errorForeground: '#f48771', 'charts-foreground': '#ffffff', 'charts-green': '#89d185',
      'charts-blue': '#59a4f9', 'charts-yellow': '#ffd370', 'charts-orange': '#ab5a00', 'charts-red': '#f48771', 'charts-purple': '#b180d7', 'progressBar-background': '#6fc3df',
      'editorHoverWidget-background': '#0c141f', 'editorHoverWidget-foreground': '#ffffff', 'editorHoverWidget-border': '#6fc3df', 'button-foreground': '#ffffff', 'button-border': '#6fc3df', 'button-secondaryForeground': '#ffffff',
      'checkbox-background': '#000000', 'checkbox-foreground': '#ffffff', 'checkbox-border': '#6fc3df', 'dropdown-background': '#000000', 'dropdown-foreground': '#ffffff', 'dropdown-border': '#6fc3df', 'settings-dropdownListBorder': '#6fc3df',
    },
  },
} as const satisfies Record<string, VsCodeTheme>;
