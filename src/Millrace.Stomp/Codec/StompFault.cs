namespace Millrace.Stomp.Codec;

/// <summary>Why a connection gets an ERROR frame.</summary>
/// <param name="Summary">The <c>message</c> header: a few words, always the same for one kind of fault.</param>
/// <param name="Detail">The body: what happened, which value, what to do.</param>
/// <param name="ReceiptId">The receipt that the faulty frame asked for; null if none is known. Where the parser found the fault: as it was written on the wire.</param>
internal sealed record StompFault(string Summary, string Detail, string? ReceiptId = null);
