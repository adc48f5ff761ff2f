namespace Millrace.Storage.Http.Wire;

/// <summary>A request or an answer that cannot be read: no JSON, or JSON of another shape. Says where, and what was expected.</summary>
internal sealed class WireFormatException(string message, Exception? innerException = null) : MillraceException(message, innerException);
