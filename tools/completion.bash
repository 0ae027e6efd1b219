# completion.bash - bash completion for qcc; the tool itself lists its commands and options
_qcc()
{
    local words word command= i
    COMPREPLY=()
    word=${COMP_WORDS[COMP_CWORD]}
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        compile | import | run | eval | bench | dump | passes | ops | targets | cache)
            command=${COMP_WORDS[i]}
            break
            ;;
        esac
    done
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -t | --target) words=$("$1" targets --names 2>/dev/null) ;;
    --help-pass | --print-after | --stop-after) words=$("$1" passes 2>/dev/null | cut -d' ' -f1) ;;
    -e | --engine) words="jit interp" ;;
    -p | --pipeline) words=$("$1" passes --pipelines 2>/dev/null | cut -d' ' -f1) ;;
    *)
        if [[ $word == -* ]]; then
            words=$("$1" ${command:-compile} --list-options 2>/dev/null)
        elif [ -z "$command" ] && [ "$COMP_CWORD" = 1 ]; then
            words=$("$1" --list-options 2>/dev/null | grep -v ^-)
        elif [ "$command" = cache ]; then
            words="info clear trim"
        elif [ "$command" = passes ]; then
            words=$("$1" passes 2>/dev/null | cut -d' ' -f1)
        elif [ "$command" = ops ]; then
            words=$("$1" ops 2>/dev/null | cut -d' ' -f1)
        fi
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
    # Without a match above, bash offers files.
    return 0
}
complete -o default -F _qcc qcc
