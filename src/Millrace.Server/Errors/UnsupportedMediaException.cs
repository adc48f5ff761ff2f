namespace Millrace.Server.Errors;

/// <summary>A body of a type that the request does not take.</summary>
internal sealed class UnsupportedMediaException(string message) : MillraceException(message);
