/** The cluster replaces $(NAME) in arguments and values. */
export function literal(text: string): string {
  return text.replaceAll('$', '$$$$');
}
